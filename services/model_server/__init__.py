"""One process per model: encoded images in batches over gRPC, regions out, inside a memory cap."""
