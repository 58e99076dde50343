package config

// data checks what is looked up.
func (r *ruler) data() {
	r.gpu()
	if n, ok := r.number("nodes"); ok && n < 1 {
		r.fail("nodes", "Number of nodes is too small", "Offers are looked up for at least 1 machine%s.", r.shown("nodes"))
	}
	if n, ok := r.number("limit"); ok && (n < 1 || n > 1000) {
		r.fail("limit", "Limit is out of range", "limit is a number from 1 to 1000%s.", r.shown("limit"))
	}
	if r.out.Block.lifecycle == nil {
		return
	}
	for _, a := range r.out.Block.lifecycle.body.attrs {
		r.d.list = append(r.d.list, r.d.c.about(a, nil, a.nameRange, "Rule has no place here", "%s is about what is made and destroyed, and %s makes nothing. Its lifecycle takes precondition and postcondition.", a.name, r.out.Addr)...)
	}
}
