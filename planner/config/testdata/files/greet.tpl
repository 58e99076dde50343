%{ for i in range(times) ~}
hello ${name}
%{ endfor ~}
