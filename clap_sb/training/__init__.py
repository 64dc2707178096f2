"""What training is made of besides the model: schedule, groups, statistics, saving."""
