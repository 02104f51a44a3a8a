"""Problems of T x T: what weighting methods make of the tasks' inner products."""
