"""Many machines: builds, searches and trainings on a Ray cluster. The only place that knows Ray."""
