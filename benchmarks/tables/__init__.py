"""Real tables: Chainrule's estimators beside scikit-learn's and boosted trees."""
