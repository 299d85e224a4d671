"""Ray clusters: builds, searches and trainings on many machines. Only this package imports Ray."""
