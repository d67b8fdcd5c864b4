// Package tether is the socketpair between the host and one extension process, over which descriptors travel and never
// data. It is two things at once:
//
//   - a lifeline: its end tells the process that the host is gone, however that came about;
//   - the hand-out of listeners: the process asks for a network and an address, and the host, which binds that listener
//     and keeps it ([Listeners]), answers with it. Two generations of an extension accept from one queue, and while
//     there is none, connections wait in it instead of being refused.
//
// It exists on Linux. Elsewhere the extension binds by itself ([Bind]), and the end of its standard input is the lifeline.
package tether
