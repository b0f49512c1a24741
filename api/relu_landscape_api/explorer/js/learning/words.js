// What the views of learning know of the service's JSON: names with the words shown for them. Plain
// JSON between the equals sign and the semicolon, which a test holds against the published schema.

export const LEARNED = {
  "phases": {
    "sample": "Following gradient flow from random starts",
    "slow starts": "Following the slowest starts",
    "classify": "Classifying the ends",
    "second look": "Looking again at starts in doubt",
    "structures": "Searching the symmetric families",
    "simulate": "Simulating SGD",
    "integrate": "Integrating",
    "attractors": "Following gradient flow from the ends",
    "fall": "Following gradient flow from where SGD stands",
    "cells": "Computing the landscapes of the cells"
  },
  "methods": {
    "flow": "gradient flow",
    "ode": "equations of SGD",
    "sgd": "SGD"
  },
  "axes": {
    "teacher_width": "teachers M",
    "student_width": "students K",
    "extra_students": "students more than teachers",
    "teacher_correlation": "correlation of the teachers",
    "teacher_decay": "decay of the teachers' norms",
    "input_dimension": "input dimension",
    "init_scale": "initial scale",
    "starts": "starts",
    "seed": "seed",
    "flow_tolerance": "flow tolerance",
    "precision": "precision",
    "leak": "leak"
  }
};

/** Rules of descents and of trajectories. */
export const RULES = {
  "gradient_flow": "gradient flow",
  "gradient_descent": "gradient descent",
  "normalised": "normalised students",
  "orthonormalised": "orthonormalised students",
  "two_layer": "both layers"
};

/** What is shown for a name; one that this page does not know yet, as it is. */
export const learned = (list, name) => LEARNED[list][name] ?? name;

/** A method of trajectories, under a rule where there is one. */
export function methodWords(method, rule = "gradient_flow") {
  if (rule === "gradient_flow") return learned("methods", method);
  return method === "flow" ? `flow, ${RULES[rule] ?? rule}` : `${learned("methods", method)}, ${RULES[rule] ?? rule}`;
}
