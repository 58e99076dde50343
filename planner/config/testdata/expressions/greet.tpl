hello ${name}%{ if times > 1 } and ${name}%{ endif }
