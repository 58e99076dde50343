package fake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/providers"
)

// Settings are the attributes of `settings` in a backend block of this provider. A backend's configuration is their JSON.
type Settings struct {
	World            string     `json:"world,omitempty"`
	Account          string     `json:"account,omitempty"`
	Token            string     `json:"token,omitempty"`
	Faults           Script     `json:"faults,omitempty"`
	Seed             int64      `json:"seed,omitempty"`
	Latency          Duration   `json:"latency,omitzero"`
	ConsistencyDelay Duration   `json:"consistency_delay,omitzero"`
	Catalogue        *Catalogue `json:"catalogue,omitempty"`
}

// Environment variables from which settings come that are not written.
const (
	WorldEnv  = "DSTACK_FAKE_WORLD"
	FaultsEnv = "DSTACK_FAKE_FAULTS"
	TokenEnv  = "DSTACK_FAKE_TOKEN"
)

// JSON returns the settings as a backend's configuration carries them.
func (s Settings) JSON() json.RawMessage {
	data, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("fake: settings cannot be written: %v", err)) // nothing in them can fail
	}
	return data
}

func settingsSchema() []providers.Setting {
	setting := func(name, ty, env, doc string) providers.Setting {
		return providers.Setting{Name: name, Type: json.RawMessage(ty), Env: env, Secret: name == "token", Doc: doc}
	}
	return []providers.Setting{
		setting("world", `"string"`, WorldEnv, "The file that holds what exists. Without it the world ends with the provider's process."),
		setting("account", `"string"`, "", `The account that is used, "fake" unless said. What another account has is not seen.`),
		setting("token", `"string"`, TokenEnv, "A credential. It is not checked, and nothing may ever show it."),
		setting("faults", `"dynamic"`, FaultsEnv, "What goes wrong, and when: a list of rules, or their JSON."),
		setting("seed", `"number"`, "", "The seed of faults that have a probability."),
		setting("latency", `"string"`, "", `How long each call takes: "20ms".`),
		setting("consistency_delay", `"string"`, "", "How long Find and List miss what was just made. More than the provider's stated "+
			"ConsistencyDelay makes a liar of it."),
		setting("catalogue", `"dynamic"`, "", "What is sold, instead of the default: an object with zones, machines and quotas."),
	}
}

// readSettings decodes what a backend block says. Null attributes are as if they were not written.
func readSettings(config providers.BackendConfig, getenv func(string) string) (Settings, error) {
	var s Settings
	if len(bytes.TrimSpace(config.Settings)) > 0 {
		d := json.NewDecoder(bytes.NewReader(config.Settings))
		d.DisallowUnknownFields()
		if err := d.Decode(&s); err != nil {
			return s, providers.Errorf(providers.Invalid, "the settings of backend %s cannot be used: %w", config.Name, settingsError(err))
		}
	}
	if s.World == "" {
		s.World = getenv(WorldEnv)
	}
	if s.Token == "" {
		s.Token = getenv(TokenEnv)
	}
	if text := getenv(FaultsEnv); s.Faults == nil && text != "" {
		if err := json.Unmarshal([]byte(text), &s.Faults); err != nil {
			return s, providers.Errorf(providers.Invalid, "%s cannot be used: %w", FaultsEnv, settingsError(err))
		}
	}
	if s.Account == "" {
		s.Account = "fake"
	}
	if s.Catalogue == nil {
		c := DefaultCatalogue()
		s.Catalogue = &c
	} else if err := s.Catalogue.check(); err != nil {
		return s, providers.Errorf(providers.Invalid, "the settings of backend %s cannot be used: %w", config.Name, err)
	}
	for _, region := range config.Regions {
		if !slices.Contains(s.Catalogue.regions(), region) {
			return s, providers.Errorf(providers.Invalid, "backend %s: there is no region %s; there are %s", config.Name, region,
				strings.Join(s.Catalogue.regions(), ", "))
		}
	}
	return s, nil
}

// settingsError says what is wrong without repeating a value, which may be secret.
func settingsError(err error) error {
	if e, ok := err.(*json.UnmarshalTypeError); ok {
		return fmt.Errorf("%s is a JSON %s, which does not fit", e.Field, strings.Fields(e.Value)[0])
	}
	if e, ok := err.(*json.SyntaxError); ok {
		return fmt.Errorf("no valid JSON at byte %d", e.Offset)
	}
	return err
}

// Duration is a time.Duration that is written as "1.5s" in JSON.
type Duration time.Duration

// MarshalText writes the duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads a duration, which is not negative.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil || parsed < 0 {
		return fmt.Errorf(`%q is no duration; write "20ms", "1.5s" or "2m"`, text)
	}
	*d = Duration(parsed)
	return nil
}
