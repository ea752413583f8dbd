"""What is known: models, where they are served, who used them how much; kept in MongoDB, asked over gRPC."""
