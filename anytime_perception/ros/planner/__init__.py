"""A planner that plays: it sets budgets, demands answers and keeps the score."""
