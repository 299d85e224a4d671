"""An index in the browser, and as JSON for programs: `wordsight serve INDEX`. The only place that knows HTTP."""
