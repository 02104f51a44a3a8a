"""What every config key means, takes and is by default: read from the classes and the YAML files under conf/."""
