package ws

// Codes of the close frames that the server sends; CloseCodes says when.
const (
	CloseShutdown    = 1001
	CloseInvalidText = 1007
	CloseTooBig      = 1009
	CloseRestart     = 1012
	CloseSlow        = 1013
	CloseBadFrame    = 4400
	CloseAuth        = 4401
	CloseOrigin      = 4403
	CloseLimit       = 4429
)

// CloseCode is one code with which the server closes a socket.
type CloseCode struct {
	Code  int    `json:"code"`
	About string `json:"description"`
}

// CloseCodes lists all of them.
func CloseCodes() []CloseCode {
	return []CloseCode{
		{CloseShutdown, "The host is shutting down"},
		{CloseInvalidText, "A text frame is not UTF-8"},
		{CloseTooBig, "A frame is over the limit"},
		{CloseRestart, "The server is being replaced or stopped: connect again"},
		{CloseSlow, "The client does not read what it is sent, or does not answer pings, or all sockets are taken: connect again later"},
		{CloseBadFrame, "A frame is binary, or not a JSON object, or a subscription names too many agents"},
		{CloseAuth, "Not authenticated in time, a bad token, or one that is valid no longer"},
		{CloseOrigin, "A web page of an origin that may not use the API"},
		{CloseLimit, "The client goes on and on over the rate limit"},
	}
}
