package fake

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

const (
	gatewayPort  = 80
	gatewayPrice = 0.02 // dollars an hour
)

type gatewayKind struct{ b *backend }

func (gatewayKind) name() string   { return addr.KindGateway }
func (gatewayKind) prefix() string { return "gw" }

func (gatewayKind) place(v *schema.Gateway) (machine, region, zone string) { return "", v.Region, "" }

func (gatewayKind) plan(change providers.Change, want *schema.Gateway, p *providers.Planned) {
	if err := checkCertificate(want.Certificate); err != nil && change.Knows("certificate") {
		p.Err = err
		return
	}
	if change.Prior != nil {
		prior, err := schema.Decode[schema.Gateway](change.Prior.Value)
		if err == nil && prior.Certificate != nil && want.Certificate != nil && prior.Certificate.Type != want.Certificate.Type {
			p.Replace = append(p.Replace, providers.ReplaceReason{Path: "certificate.type", Why: "where certificates come from is fixed when a gateway is made"})
		}
	}
	p.Promise(map[string]cty.Value{"port": cty.NumberIntVal(gatewayPort), "price": cty.NumberFloatVal(gatewayPrice)})
}

func checkCertificate(c *schema.Certificate) *providers.Error {
	if c != nil && c.Type == "acm" && c.ARN == "" {
		return providers.Errorf(providers.Invalid, "a certificate of type acm needs its arn")
	}
	return nil
}

func (k gatewayKind) make(_ *contents, _ providers.Op[schema.Gateway], o *Object, v *schema.Gateway) error {
	if err := k.b.checkPlace(v.Region, ""); err != nil {
		return err
	}
	if err := checkCertificate(v.Certificate); err != nil {
		return err
	}
	v.ID = o.ID
	k.compute(o, v)
	return nil
}

func (gatewayKind) compute(o *Object, v *schema.Gateway) {
	setDefault(&v.Hostname, fmt.Sprintf("%s.%s.fake", o.ID, v.Region))
	setDefault(&v.IPAddress, address("100", 64<<16+o.Number))
	setDefault(&v.Port, gatewayPort)
	setDefault(&v.URL, "http://"+v.Hostname)
	if v.Price == nil {
		price := gatewayPrice
		v.Price = &price
	}
}

func (k gatewayKind) update(_ *contents, _ providers.Op[schema.Gateway], o *Object, was, v *schema.Gateway) error {
	if v.Region != was.Region || v.PublicIP != was.PublicIP {
		return providers.Errorf(providers.Invalid, "the place of gateway %s cannot be changed", o.ID)
	}
	if err := checkCertificate(v.Certificate); err != nil {
		return err
	}
	v.ID = o.ID
	k.compute(o, v)
	return nil
}

func (gatewayKind) release(c *contents, o *Object) error {
	for _, above := range c.dependents(o.ID) {
		return inUse(o, above)
	}
	return nil
}

func (gatewayKind) observe(_ *contents, o *Object, v *schema.Gateway) {
	v.Status = "running"
	if !o.Ready {
		v.Status = "provisioning"
	}
}
