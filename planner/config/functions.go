package config

import (
	"maps"
	"strings"

	"github.com/hashicorp/go-cty-funcs/filesystem"
	ctyyaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// functions are what expressions can call. They are pure but for those that read files, whose answers are the same as
// long as the files are, and for those of the moment, whose answers are the same as long as that is. Relative paths
// start at dir.
func functions(dir string, c *calls) map[string]function.Function {
	f := map[string]function.Function{
		// numbers
		"abs":      refined(stdlib.AbsoluteFunc, cty.Number, refineFromZero),
		"ceil":     stdlib.CeilFunc,
		"floor":    stdlib.FloorFunc,
		"log":      logFunc,
		"max":      stdlib.MaxFunc,
		"min":      stdlib.MinFunc,
		"parseint": refined(stdlib.ParseIntFunc, cty.Number, refineNotNull),
		"pow":      powFunc,
		"signum":   signumFunc,
		"sum":      sumFunc,

		// texts
		"chomp":       stdlib.ChompFunc,
		"endswith":    affixFunc("suffix", strings.HasSuffix),
		"format":      stdlib.FormatFunc,
		"formatlist":  stdlib.FormatListFunc,
		"indent":      indentFunc,
		"join":        refined(longLists(joinFunc), cty.String, refineNotNull),
		"lower":       stdlib.LowerFunc,
		"regex":       stdlib.RegexFunc,
		"regexall":    stdlib.RegexAllFunc,
		"replace":     replaceFunc,
		"split":       stdlib.SplitFunc,
		"startswith":  startsWithFunc,
		"strcontains": affixFunc("substr", strings.Contains),
		"strlen":      stdlib.StrlenFunc,
		"strrev":      stdlib.ReverseFunc,
		"substr":      stdlib.SubstrFunc,
		"title":       stdlib.TitleFunc,
		"trim":        stdlib.TrimFunc,
		"trimprefix":  stdlib.TrimPrefixFunc,
		"trimspace":   stdlib.TrimSpaceFunc,
		"trimsuffix":  stdlib.TrimSuffixFunc,
		"upper":       stdlib.UpperFunc,

		// collections
		"alltrue":         refined(longLists(everyFunc(true)), cty.Bool, refineNotNull),
		"anytrue":         refined(longLists(everyFunc(false)), cty.Bool, refineNotNull),
		"chunklist":       stdlib.ChunklistFunc,
		"coalesce":        coalesceFunc,
		"coalescelist":    stdlib.CoalesceListFunc,
		"compact":         refined(longLists(stdlib.CompactFunc), cty.List(cty.String), refineNotNull),
		"concat":          stdlib.ConcatFunc,
		"contains":        containsFunc,
		"distinct":        stdlib.DistinctFunc,
		"element":         elementFunc,
		"flatten":         stdlib.FlattenFunc,
		"index":           indexFunc,
		"keys":            stdlib.KeysFunc,
		"length":          lengthFunc,
		"lookup":          lookupFunc,
		"matchkeys":       matchKeysFunc,
		"merge":           stdlib.MergeFunc,
		"one":             oneFunc,
		"range":           stdlib.RangeFunc,
		"reverse":         stdlib.ReverseListFunc,
		"setintersection": stdlib.SetIntersectionFunc,
		"setproduct":      stdlib.SetProductFunc,
		"setsubtract":     stdlib.SetSubtractFunc,
		"setunion":        stdlib.SetUnionFunc,
		"slice":           stdlib.SliceFunc,
		"sort":            longLists(stdlib.SortFunc),
		"transpose":       transposeFunc,
		"values":          stdlib.ValuesFunc,
		"zipmap":          stdlib.ZipmapFunc,

		// types
		"can":             canFunc,
		"ephemeralasnull": ephemeralAsNullFunc,
		"issensitive":     isSensitiveFunc,
		"nonsensitive":    nonsensitiveFunc,
		"sensitive":       sensitiveFunc,
		"tobool":          toFunc(cty.Bool),
		"tolist":          toFunc(cty.List(cty.DynamicPseudoType)),
		"tomap":           toFunc(cty.Map(cty.DynamicPseudoType)),
		"tonumber":        toFunc(cty.Number),
		"toset":           toFunc(cty.Set(cty.DynamicPseudoType)),
		"tostring":        toFunc(cty.String),
		"try":             tryFunc,

		// encodings
		"base64decode":     base64DecodeFunc,
		"base64encode":     base64EncodeFunc,
		"base64gzip":       base64GzipFunc,
		"csvdecode":        stdlib.CSVDecodeFunc,
		"jsondecode":       stdlib.JSONDecodeFunc,
		"jsonencode":       stdlib.JSONEncodeFunc,
		"textdecodebase64": textDecodeFunc,
		"textencodebase64": textEncodeFunc,
		"urlencode":        urlEncodeFunc,
		"yamldecode":       ctyyaml.YAMLDecodeFunc,
		"yamlencode":       refined(ctyyaml.YAMLEncodeFunc, cty.String, refineNotNull),

		// digests
		"base64sha256": hashFunc(newSHA256, base64Text),
		"base64sha512": hashFunc(newSHA512, base64Text),
		"md5":          hashFunc(newMD5, hexText),
		"sha1":         hashFunc(newSHA1, hexText),
		"sha256":       hashFunc(newSHA256, hexText),
		"rsadecrypt":   rsaDecryptFunc,
		"uuidv5":       uuidV5Func,
		"sha512":       hashFunc(newSHA512, hexText),

		// addresses of networks
		"cidrhost":    cidrHostFunc,
		"cidrnetmask": cidrNetmaskFunc,
		"cidrsubnet":  cidrSubnetFunc,
		"cidrsubnets": cidrSubnetsFunc,

		// dates that are given
		"formatdate": stdlib.FormatDateFunc,
		"timecmp":    timeCmpFunc,
		"timeadd":    refined(stdlib.TimeAddFunc, cty.String, refineNotNull),

		// paths
		"abspath":    absPathFunc(dir),
		"basename":   refined(filesystem.BasenameFunc, cty.String, refineNotNull),
		"dirname":    refined(filesystem.DirnameFunc, cty.String, refineNotNull),
		"pathexpand": refined(filesystem.PathExpandFunc, cty.String, refineNotNull),

		// files
		"file":             fileFunc(dir, asText),
		"filebase64":       fileFunc(dir, asBase64),
		"filebase64sha256": fileFunc(dir, asHash(newSHA256, base64Text)),
		"filebase64sha512": fileFunc(dir, asHash(newSHA512, base64Text)),
		"fileexists":       fileExistsFunc(dir),
		"filemd5":          fileFunc(dir, asHash(newMD5, hexText)),
		"fileset":          refined(filesystem.MakeFileSetFunc(dir), cty.Set(cty.String), refineNotNull),
		"filesha1":         fileFunc(dir, asHash(newSHA1, hexText)),
		"filesha256":       fileFunc(dir, asHash(newSHA256, hexText)),
		"filesha512":       fileFunc(dir, asHash(newSHA512, hexText)),
	}
	f["templatestring"] = templateStringFunc
	for name, fn := range f {
		if losesMarks(fn) {
			f[name] = refined(fn, cty.NilType, nil)
		}
	}
	limitFunctions(f)
	maps.Copy(f, momentFunctions(c))
	var files *fileAnswers
	if c != nil && c.config.files != nil {
		files = c.config.files
		for _, name := range fileFunctions {
			f[name] = files.remember(name, f[name])
		}
	}
	f["templatefile"] = templateFileFunc(dir, f, files)
	return f
}
