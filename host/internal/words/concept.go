package words

import "strings"

// Concept returns the field that a lower-case word belongs to, such as "programming" for "coding", or the word's stem if it
// belongs to none. Two words are about the same thing if their concepts are equal. The fields are those that people give
// agents as skills most often; a skill that is in none of them is a concept of its own.
func Concept(w string) string {
	st := Stem(w)
	if c, ok := concepts[st]; ok {
		return c
	}
	return st
}

// fields holds, for each concept, words that mean that somebody is asking for it.
var fields = map[string]string{
	"programming": `programming program code coding coder software developer development debug bug bugs compile compiler
		script scripting refactor algorithm function golang python javascript typescript java rust sql regex api
		stacktrace codebase repository`,
	"security": `security secure hack hacking hacker exploit vulnerability vulnerabilities pentest malware phishing
		encrypt encryption decrypt password firewall breach attack threat ransomware`,
	"writing": `writing write writer wrote written essay story stories poem poetry blog article draft letter novel prose
		proofread rewrite paragraph headline grammar edit editing`,
	"empathy": `empathy empathetic feeling feelings lonely sad upset grief anxious depressed heartbroken comfort console
		listen overwhelmed`,
	"mathematics": `mathematics math maths algebra calculus geometry equation theorem arithmetic statistics`,
	"translation": `translation translate translator translating`,
	"research":    `research researcher researching cite citation literature sources`,
	"design":      `design designer layout logo typography mockup wireframe`,
	"music":       `music song songs melody chord lyrics guitar piano`,
	"cooking":     `cooking cook recipe recipes bake baking dinner`,
	"planning":    `planning plan schedule scheduling calendar agenda organize organise`,
	"teaching":    `teaching teach teacher explain lesson tutor learn learning study`,
	"data":        `data dataset analytics spreadsheet csv dashboard`,
	"medicine":    `medicine medical doctor health symptom symptoms diagnosis`,
	"law":         `law legal lawyer contract lawsuit`,
	"finance":     `finance financial money budget invest investment tax taxes accounting`,
	"travel":      `travel trip flight hotel itinerary`,
}

var concepts = func() map[string]string {
	m := map[string]string{}
	for concept, list := range fields {
		for _, w := range strings.Fields(list) {
			m[Stem(w)] = concept
		}
	}
	return m
}()
