package value_test

import (
	"fmt"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

// BenchmarkParse reads 10,000 texts of each grammar that a large configuration has many of.
func BenchmarkParse(b *testing.B) {
	const n = 10_000
	for name, text := range map[string]func(i int) string{
		"Memory range": func(i int) string { return fmt.Sprintf("%dGB..", i%512) },
		"Count range":  func(i int) string { return fmt.Sprintf("%d..", i%96) },
		"GPU":          func(i int) string { return fmt.Sprintf("A100:80GB:%d", i%8+1) },
		"Duration":     func(i int) string { return fmt.Sprintf("%dm", i) },
		"Mount":        func(i int) string { return fmt.Sprintf("data-%d:/data", i) },
		"Port mapping": func(i int) string { return fmt.Sprintf("%d:8000", i+1) },
	} {
		k := kindNamed(b, name)
		texts := make([][]byte, n)
		values := make([]cty.Value, n)
		for i := range texts {
			texts[i] = []byte(text(i))
			values[i] = cty.StringVal(text(i))
		}
		b.Run(name+"/text", func(b *testing.B) {
			into := k.New()
			for b.Loop() {
				for _, t := range texts {
					if err := into.UnmarshalText(t); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
		b.Run(name+"/cty", func(b *testing.B) {
			into := k.New()
			for b.Loop() {
				for _, v := range values {
					if err := into.UnmarshalCty(v); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
		b.Run(name+"/canonical", func(b *testing.B) {
			into := k.New()
			if err := into.UnmarshalText(texts[1]); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				for range n {
					_ = into.Canonical()
				}
			}
		})
	}
}
