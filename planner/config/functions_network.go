package config

import (
	"errors"
	"math/big"
	"net"

	"github.com/apparentlymart/go-cidr/cidr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// network reads the first argument of a function. Its host part is left out.
func network(v cty.Value) (*net.IPNet, error) {
	_, n, err := net.ParseCIDR(v.AsString())
	if err != nil {
		return nil, function.NewArgErrorf(0, "%q is no network; it is written as in 10.0.0.0/16 or fd00::/48", v.AsString())
	}
	return n, nil
}

// bigNumber reads a whole number of any size.
func bigNumber(v cty.Value, arg int) (*big.Int, error) {
	n, acc := v.AsBigFloat().Int(nil)
	if n == nil || acc != big.Exact {
		return nil, function.NewArgErrorf(arg, "a whole number is needed")
	}
	return n, nil
}

// networkFunc makes a function of a network and whole numbers that gives a text.
func networkFunc(params []string, f func(n *net.IPNet, args []*big.Int) (string, error)) function.Function {
	spec := &function.Spec{
		Params:       []function.Parameter{{Name: "prefix", Type: cty.String}},
		Type:         function.StaticReturnType(cty.String),
		RefineResult: refineNotNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			n, err := network(args[0])
			if err != nil {
				return cty.UnknownVal(cty.String), err
			}
			numbers := make([]*big.Int, len(args)-1)
			for i, v := range args[1:] {
				if numbers[i], err = bigNumber(v, i+1); err != nil {
					return cty.UnknownVal(cty.String), err
				}
			}
			text, err := f(n, numbers)
			if err != nil {
				return cty.UnknownVal(cty.String), err
			}
			return cty.StringVal(text), nil
		},
	}
	for _, name := range params {
		spec.Params = append(spec.Params, function.Parameter{Name: name, Type: cty.Number})
	}
	return function.New(spec)
}

var (
	cidrHostFunc = networkFunc([]string{"hostnum"}, func(n *net.IPNet, args []*big.Int) (string, error) {
		ip, err := cidr.HostBig(n, args[0])
		if err != nil {
			return "", function.NewArgErrorf(1, "%s has no host %s", n, args[0])
		}
		return ip.String(), nil
	})
	cidrNetmaskFunc = networkFunc(nil, func(n *net.IPNet, _ []*big.Int) (string, error) {
		if len(n.Mask) != net.IPv4len {
			return "", function.NewArgErrorf(0, "networks of IPv6 have no mask that is written as an address")
		}
		return net.IP(n.Mask).String(), nil
	})
	cidrSubnetFunc = networkFunc([]string{"newbits", "netnum"}, func(n *net.IPNet, args []*big.Int) (string, error) {
		bits, err := moreBits(n, args[0], 1)
		if err != nil {
			return "", err
		}
		sub, err := cidr.SubnetBig(n, bits, args[1])
		if err != nil {
			return "", function.NewArgErrorf(2, "%s has no part %s of %d bits more", n, args[1], bits)
		}
		return sub.String(), nil
	})
)

// moreBits checks by how many bits the prefix of a network is to grow.
func moreBits(n *net.IPNet, by *big.Int, arg int) (int, error) {
	size, all := n.Mask.Size()
	if by.Sign() < 0 || !by.IsInt64() || by.Int64() > int64(all-size) {
		return 0, function.NewArgErrorf(arg, "the prefix of %s can grow by 0 to %d bits", n, all-size)
	}
	return int(by.Int64()), nil
}

// cidrSubnetsFunc cuts parts off a network one after the other.
var cidrSubnetsFunc = function.New(&function.Spec{
	Params:       []function.Parameter{{Name: "prefix", Type: cty.String}},
	VarParam:     &function.Parameter{Name: "newbits", Type: cty.Number},
	Type:         function.StaticReturnType(cty.List(cty.String)),
	RefineResult: refineNotNull,
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		n, err := network(args[0])
		if err != nil || len(args) == 1 {
			return cty.ListValEmpty(cty.String), err
		}
		size, _ := n.Mask.Size()
		var out []cty.Value
		var last *net.IPNet
		for i, v := range args[1:] {
			by, err := bigNumber(v, i+1)
			if err != nil {
				return cty.UnknownVal(ty), err
			}
			bits, err := moreBits(n, by, i+1)
			switch {
			case err != nil:
				return cty.UnknownVal(ty), err
			case bits == 0:
				return cty.UnknownVal(ty), function.NewArgErrorf(i+1, "a part has at least one bit more than the network")
			}
			var next *net.IPNet
			full := false
			if last == nil {
				next, err = cidr.Subnet(n, bits, 0)
			} else {
				next, full = cidr.NextSubnet(last, size+bits)
			}
			if err != nil || full || !n.Contains(next.IP) {
				return cty.UnknownVal(ty), function.NewArgError(i+1, errors.New("there is no room left in "+n.String()+" for it after the parts before"))
			}
			last = next
			out = append(out, cty.StringVal(next.String()))
		}
		return cty.ListVal(out), nil
	},
})
