// What the page knows of the service's JSON, in one place: the words of the contract with what is
// shown for them, and the defaults and bounds of what can be asked. It is plain JSON between the
// equals sign and the semicolon, so that tests/house/test_one_schema.py can hold it against the
// schema that the service publishes. What a service may narrow (widths, starts) comes from its
// service-info when it answers.

export const CONTRACT = {
  "request": {
    "student_width": { "default": 7, "minimum": 1, "maximum": 512, "whole": true },
    "teacher_width": { "default": 7, "minimum": 1, "maximum": 512, "whole": true },
    "starts": { "default": 1000, "minimum": 0, "maximum": 1000000, "whole": true },
    "seed": { "default": 0, "minimum": 0, "maximum": 9007199254740991, "whole": true },
    "input_dimension": { "default": 1000, "minimum": 1, "maximum": 1000000, "whole": true },
    "init_scale": { "default": 1.0, "minimum": 1e-9, "maximum": 1e9, "whole": false },
    "flow_tolerance": { "default": 0.001, "minimum": 0.000001, "maximum": 0.01, "whole": false },
    "precision": { "default": "float64" },
    "leak": { "default": 0, "minimum": -0.9, "maximum": 0.9, "whole": false },
    "structured": { "default": true },
    "structures": { "default": null },
    "saddles": { "default": false },
    "widen": { "default": false },
    "certify": { "default": "none" }
  },
  "required": ["student_width", "teacher_width"],
  "unasked": ["teacher_gram", "learning_rates"],
  "continuation": {
    "from_width": { "minimum": 1, "maximum": 1000000000 },
    "to_width": { "minimum": 1, "maximum": 1000000000 },
    "points": { "minimum": 2, "maximum": 1000 },
    "leak": { "minimum": -0.9, "maximum": 0.9 }
  },
  "states": {
    "queued": "Waiting for a free place",
    "running": "Computing",
    "cancelling": "Stopping",
    "cancelled": "Stopped",
    "failed": "Failed",
    "finished": "Finished"
  },
  "phases": {
    "sample": "Following gradient flow from random starts",
    "slow starts": "Following the slowest starts",
    "classify": "Classifying the ends",
    "second look": "Looking again at starts in doubt",
    "structures": "Searching the symmetric families",
    "pathways": "Following the flow from saddles",
    "widening": "Adding one more student",
    "learning rates": "Following SGD around each minimum",
    "certify": "Proving"
  },
  "precisions": { "float64": "float64", "float32": "float32, faster" },
  "proofs": { "none": "none", "fast": "fast", "strict": "strict" },
  "findings": {
    "unclassified": "not classified yet",
    "global_continuum": "continuum of global minima"
  },
  "kinds": {
    "minimum": "minimum",
    "saddle": "saddle",
    "global_continuum": "continuum of global minima"
  },
  "found_by": {
    "sampled": "starts",
    "structured": "symmetry",
    "pathway": "pathway"
  },
  "relations": {
    "same copy": "joins {a} with itself",
    "student order": "joins two copies of {a} that differ by the order of the students",
    "relabelled": "joins two relabelled copies of {a}",
    "same continuum": "leads to the continuum {a} on both sides",
    "different": "joins {a} and {b}"
  },
  "spaces": {
    "span": "in the teacher's span",
    "perpendicular": "perpendicular to it"
  }
};

/** What is shown for a name of the contract; one that this page does not know yet, as it is. */
export const words = (list, name) => CONTRACT[list][name] ?? name;
