"""What all detectors share: inputs, training, thresholds, files."""
