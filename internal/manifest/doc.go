// Package manifest reads resources as people write them, and writes them back.
//
// Read takes YAML with many documents, JSON, and JSON wrapped in every usual way, and
// gives documents in one canonical form. It is strict: what it does not know, it refuses
// by name and line and says what was probably meant. The only lenience is for fields that
// Teleport or Sensu document and that mean nothing here: they are left out, with a
// warning. What a resource may hold is written once, in the structs that it is decoded
// into (see schema.go).
package manifest
