"""What the site keeps beside its database."""
