// Package noderuntime is a runtime in TypeScript (see its README.md). Here stands what of it is tested without Node; its life under
// a host is tested by "make node-runtime".
package noderuntime
