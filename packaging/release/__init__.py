"""What `./dev release` does: check the tree, build it twice, compare, write build/release."""
