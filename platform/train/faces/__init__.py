"""What comes after a face network's training: descriptors, codes, verification, bootstrapping."""
