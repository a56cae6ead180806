"""What every long-running process, be it one that learns or one that copies, is made of.

`membership` keeps its place in a consumer group, `delivery` makes a batch durable exactly once, `signals`
asks it to finish, `watchdog` ends it when a call is stuck, `cluster` says how it reaches its brokers.
"""
