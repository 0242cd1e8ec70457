"""rclpy's class of callbacks for events of the middleware, from where each release has it."""

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError

__all__ = ['NO_EVENTS', 'SubscriptionEventCallbacks', 'UnsupportedEventTypeError']

# Without event callbacks, for a subscription that is destroyed on another thread than the
# executor's: that may be about to wait for the events, and would end with an error.
NO_EVENTS = SubscriptionEventCallbacks(use_default_callbacks=False)
