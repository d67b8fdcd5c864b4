package ws

// Codes of the close frames that the server sends.
const (
	CloseShutdown    = 1001 // the host is shutting down
	CloseInvalidText = 1007 // a text frame is not UTF-8
	CloseTooBig      = 1009 // a frame is over the limit
	CloseRestart     = 1012 // the server is being replaced or stopped: connect again
	CloseSlow        = 1013 // the client does not read what it is sent, or does not answer pings: connect again
	CloseBadFrame    = 4400 // binary, or not a JSON object
	CloseAuth        = 4401 // not authenticated in time, a bad token, or one that is valid no longer
	CloseOrigin      = 4403 // a web page of an origin that may not use the API
	CloseLimit       = 4429 // goes on and on over the rate limit
)
