"""Report → text: one pure function a format."""
