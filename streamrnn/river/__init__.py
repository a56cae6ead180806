"""The same networks as river estimators: one event at a time, state carried, no service around them."""

from streamrnn.river.classifier import RNNClassifier as RNNClassifier
from streamrnn.river.forecaster import RNNForecaster as RNNForecaster
from streamrnn.river.regressor import RNNRegressor as RNNRegressor
