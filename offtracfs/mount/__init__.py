"""The mount: pyfuse3 → tree, the processes behind a mount point, and what they tell the kernel."""
