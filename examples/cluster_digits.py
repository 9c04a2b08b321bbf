"""Cluster scikit-learn's digits without labels. Takes about a minute on one CPU core."""

from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score

from infogan.sklearn import InfoGANClusterer

X, y = load_digits(return_X_y=True)
estimator = InfoGANClusterer(n_clusters=10, steps=1_000, settings={"latents.noise": 16})
clusters = estimator.fit_predict(X)
print(f"adjusted Rand index: {adjusted_rand_score(y, clusters):.3f}")
