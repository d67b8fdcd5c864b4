package openaitest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var (
	number = regexp.MustCompile(`[0-9]+`)
	tag    = regexp.MustCompile(`(?s)<end>(.*)</end>`)
)

// Counted returns "w1 w2 … wN", which is what the counting model says to a message with the number N in it.
func Counted(n int) string {
	words := make([]string, n)
	for i := range words {
		words[i] = fmt.Sprintf("w%d", i+1)
	}
	return strings.Join(words, " ")
}

// count answers what the user asks: the first number in the last message of the user is how far it counts, 10 without one. If
// its own answer was cut off, and the user says so and quotes its end between <end> and </end>, it says that end again and what
// comes after it. A last message of its own it answers anew, as OpenAI's models do.
func count(r Request) Reply {
	asked, said, again := question(r)
	n := 10
	if found := number.FindString(asked); found != "" {
		n, _ = strconv.Atoi(found)
	}
	rest, ok := strings.CutPrefix(Counted(min(n, 10_000)), said)
	if !ok {
		return Say("I have never said that.")
	}
	return Say(again + rest)
}

// question returns what the user asked last, what the model has said to it so far, and the end of that if it is to be said again.
func question(r Request) (asked, said, again string) {
	last := len(r.Messages) - 1
	text := ""
	for last > 0 && r.Messages[last].Role != "user" {
		last--
	}
	text = r.Messages[last].Text()
	if end := tag.FindStringSubmatch(text); end != nil && last > 1 && strings.HasSuffix(strings.TrimSpace(r.Messages[last-1].Text()), end[1]) {
		said := strings.TrimRight(r.Messages[last-1].Text(), " \t\r\n")
		for i := last - 2; i >= 0; i-- {
			if r.Messages[i].Role == "user" {
				return r.Messages[i].Text(), said, end[1]
			}
		}
	}
	return text, "", ""
}
