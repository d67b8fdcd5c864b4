package wire

import (
	"fmt"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// ToMemoryItem converts a memory.
func ToMemoryItem(i schema.MemoryItem) (*pb.MemoryItem, error) {
	metadata, err := toObject("metadata", i.Metadata)
	if err != nil {
		return nil, err
	}
	return &pb.MemoryItem{
		Id: i.ID, AgentId: i.AgentID, Principal: i.Principal, Shared: i.Shared, Content: i.Content,
		Metadata: metadata, CreatedAt: toTime(i.CreatedAt), Tags: i.Tags, Importance: i.Importance, ExpiresAt: toTimePtr(i.ExpiresAt),
	}, nil
}

// FromMemoryItem converts a memory; nil is an error.
func FromMemoryItem(m *pb.MemoryItem) (schema.MemoryItem, error) {
	if m == nil {
		return schema.MemoryItem{}, errMissing("memory")
	}
	metadata, err := fromObject("metadata", m.GetMetadata())
	if err != nil {
		return schema.MemoryItem{}, err
	}
	created, err := fromTime("created_at", m.GetCreatedAt())
	if err != nil {
		return schema.MemoryItem{}, err
	}
	expires, err := fromTimePtr("expires_at", m.GetExpiresAt())
	if err != nil {
		return schema.MemoryItem{}, err
	}
	if err := finite(m.GetImportance()); err != nil {
		return schema.MemoryItem{}, fmt.Errorf("importance: %w", err)
	}
	return schema.MemoryItem{
		ID: m.GetId(), AgentID: m.GetAgentId(), Principal: m.GetPrincipal(), Shared: m.GetShared(),
		Content: m.GetContent(), Metadata: metadata, CreatedAt: created, Tags: shown(m.GetTags()), Importance: m.GetImportance(), ExpiresAt: expires,
	}, nil
}

// ToMemoryHit converts what a search found.
func ToMemoryHit(h schema.MemoryHit) (*pb.MemoryHit, error) {
	item, err := ToMemoryItem(h.Memory)
	if err != nil {
		return nil, err
	}
	return &pb.MemoryHit{Memory: item, Score: h.Score}, nil
}

// FromMemoryHit converts what a search found.
func FromMemoryHit(m *pb.MemoryHit) (schema.MemoryHit, error) {
	item, err := FromMemoryItem(m.GetMemory())
	if err != nil {
		return schema.MemoryHit{}, err
	}
	if err := finite(m.GetScore()); err != nil {
		return schema.MemoryHit{}, fmt.Errorf("score: %w", err)
	}
	return schema.MemoryHit{Memory: item, Score: m.GetScore()}, nil
}

// ToNewMemory converts a memory to store.
func ToNewMemory(n schema.NewMemory) (*pb.StoreMemoryRequest, error) {
	metadata, err := toObject("metadata", n.Metadata)
	if err != nil {
		return nil, err
	}
	return &pb.StoreMemoryRequest{
		AgentId: n.AgentID, Content: n.Content, Metadata: metadata, Shared: n.Shared, Tags: n.Tags, Importance: n.Importance,
		ExpiresAt: toTimePtr(n.ExpiresAt),
	}, nil
}

// FromNewMemory converts a memory to store.
func FromNewMemory(m *pb.StoreMemoryRequest) (schema.NewMemory, error) {
	metadata, err := fromObject("metadata", m.GetMetadata())
	if err != nil {
		return schema.NewMemory{}, err
	}
	expires, err := fromTimePtr("expires_at", m.GetExpiresAt())
	if err != nil {
		return schema.NewMemory{}, err
	}
	if err := finite(m.GetImportance()); err != nil {
		return schema.NewMemory{}, fmt.Errorf("importance: %w", err)
	}
	return schema.NewMemory{
		AgentID: m.GetAgentId(), Content: m.GetContent(), Metadata: metadata, Shared: m.GetShared(), Tags: m.GetTags(),
		Importance: m.Importance, ExpiresAt: expires,
	}, nil
}

// ToMemoryQuery converts a search.
func ToMemoryQuery(q schema.MemoryQuery) *pb.SearchMemoryRequest {
	m := &pb.SearchMemoryRequest{AgentId: q.AgentID, Text: q.Text, Limit: toInt32(q.Limit), Tags: q.Tags, MinImportance: q.MinImportance}
	for _, e := range q.Metadata {
		m.Metadata = append(m.Metadata, &pb.MetadataEquals{Key: e.Key, Value: e.Value})
	}
	return m
}

// FromMemoryQuery converts a search.
func FromMemoryQuery(m *pb.SearchMemoryRequest) (schema.MemoryQuery, error) {
	if err := finite(m.GetMinImportance()); err != nil {
		return schema.MemoryQuery{}, fmt.Errorf("min_importance: %w", err)
	}
	q := schema.MemoryQuery{
		AgentID: m.GetAgentId(), Text: m.GetText(), Limit: int(m.GetLimit()), Tags: m.GetTags(), MinImportance: m.GetMinImportance(),
	}
	for _, e := range m.GetMetadata() {
		q.Metadata = append(q.Metadata, schema.MetadataEquals{Key: e.GetKey(), Value: e.GetValue()})
	}
	return q, nil
}
