"""The mount: answers the kernel's requests from the tree, and runs the processes behind a mount point."""
