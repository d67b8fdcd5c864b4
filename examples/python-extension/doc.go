// Package pythonextension is an extension in Python (see its README.md). Here stands what of it is tested without Python; its life
// under a host is tested by "make python-extension".
package pythonextension
