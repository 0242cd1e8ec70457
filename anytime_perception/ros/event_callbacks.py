"""What rclpy calls when the middleware has something to tell, from where each release has it."""

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError

__all__ = ['NO_EVENTS', 'SubscriptionEventCallbacks', 'UnsupportedEventTypeError']

# For a subscription that is destroyed on another thread than the executor's, which may be about
# to wait for its events and ends with an error then.
NO_EVENTS = SubscriptionEventCallbacks(use_default_callbacks=False)
