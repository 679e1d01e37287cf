// Package core holds Sallyport's nouns and rules: roles, requests, reviews,
// thresholds, duties, grants, incidents, and how one follows from another.
//
// Everything here is pure. There is no I/O, no context, no clock and no
// randomness: a rule takes the present as an argument and answers from its
// arguments alone, so that every decision can be played again, years later, from
// what was written down about it.
package core
