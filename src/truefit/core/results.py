"""What one training says: its values after each epoch, and what it came to."""

from __future__ import annotations

# Values by name: `loss` (in training, dropout on), `val_loss`, the task's metrics of both,
# `learning_rate`, with `train_loss` and `gap` where they are measured. A row of a history has
# `epoch` (from 1) too.
Logs = dict[str, float]
