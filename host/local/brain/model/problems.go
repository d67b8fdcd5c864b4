package model

import (
	"fmt"
	"slices"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// Problems returns what is wrong with what an agent's field "brain" says to the host, and to those of the brains that are offered, with
// pointers into the field. Of a brain that is not offered, and of one of the host's own, nothing is known.
func Problems(b schema.Brain, offered []schema.BrainInfo) []schema.Problem {
	own, theirs := split(b.Options)
	all := problemsOf(own, []byte(settingsSchema), nil, "")
	all = append(all, optionProblems(b.Provider, theirs, offered, ownOptions, "")...)
	_, chain, err := parse(b)
	if err != nil {
		if len(all) == 0 {
			all = append(all, problem.Errorf("", "", "%v", err))
		}
		return all
	}
	for i, c := range chain[1:] {
		all = append(all, optionProblems(c.provider, c.options, offered, nil, fmt.Sprintf("/fallback/%d", i))...)
	}
	return all
}

func optionProblems(provider string, options schema.Object, offered []schema.BrainInfo, also []string, at string) []schema.Problem {
	i := slices.IndexFunc(offered, func(b schema.BrainInfo) bool { return b.Provider == provider })
	if i < 0 {
		return nil
	}
	return problemsOf(options, offered[i].OptionsSchema, also, at)
}

// problemsOf holds an object against a JSON Schema. A schema that is broken is the extension's fault, of which its own check tells.
func problemsOf(o schema.Object, raw []byte, also []string, at string) []schema.Problem {
	all, err := problem.Schema{Raw: raw, Also: also}.Check(map[string]any(o))
	if err != nil {
		return nil
	}
	for i := range all {
		all[i].Pointer = at + all[i].Pointer
	}
	return all
}
