package store

import (
	"errors"
	"math"

	"github.com/stagehouse/stagehouse/schema"
)

// MaxDimensions bounds the length of a vector.
const MaxDimensions = 8192

// ErrVector says that a vector does not fit the others of its space.
var ErrVector = errors.New("the vector does not fit its space")

// A space is where the vectors of one embedding model lie, and is named by it. Vectors of different spaces cannot be compared,
// and those of one space have the same length.

// VectorTx changes the vectors of memories.
type VectorTx interface {
	// PutVectors keeps vectors of a space, which begins with the first one. A memory that has one there already, or is not there
	// any more, is passed over. ErrVector if one has another length than the others.
	PutVectors(space string, vectors []Vector) error
	// DropSpace deletes a space with its vectors. ErrNotFound
	DropSpace(space string) error
}

// VectorReader finds memories by vectors. A vector goes with its memory.
type VectorReader interface {
	// NearMemories returns the memories whose vectors in a space have the greatest cosine with the one of q, which is the score,
	// best first; those below q.MinCosine are left out. A space that is not there has no memories. ErrVector if q.Vector has
	// another length than those of the space.
	NearMemories(q VectorQuery) ([]schema.MemoryHit, error)
	// Unplaced returns up to limit memories that have nothing in a space, the newest first, of those that are older than the one
	// numbered before (0 = all), and the number of the last one.
	Unplaced(space string, before int64, limit int) (items []schema.MemoryItem, last int64, err error)
	// Spaces returns the spaces, oldest first.
	Spaces() ([]Space, error)
	// CountMemories returns how many memories there are.
	CountMemories() (int, error)
}

// Vector is where a memory lies in a space.
type Vector struct {
	MemoryID string
	Values   []float32 // nil = nowhere: its text cannot be embedded, and is not to be tried again
}

// VectorQuery is a MemoryQuery that a vector stands in for the text of.
type VectorQuery struct {
	MemoryQuery
	Space     string
	Vector    []float32
	MinCosine float64
	Except    string // a space in which a memory must have nothing; "" = none
}

// Space is a space that has begun.
type Space struct {
	Name       string
	Dimensions int // 0 = no memory has a vector there
	Placed     int // memories that have a vector, or none for good
	Nowhere    int // of them, those that have none for good
}

// Unit returns a vector of length 1 with the direction of v; nil if it has none.
func Unit(v []float32) []float32 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if !(sum > 0) || math.IsInf(sum, 1) { // which NaN is not, either
		return nil
	}
	length, unit := math.Sqrt(sum), make([]float32, len(v))
	for i, x := range v {
		unit[i] = float32(float64(x) / length)
	}
	return unit
}
