"""What a sweep shows: its runs compared."""
