"""Refusing transitions that the node's state does not allow, which would end it otherwise."""

from lifecycle_msgs.srv import ChangeState
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode


def refuse_wrong_transitions(node: LifecycleNode) -> None:
    """
    Have ~/change_state answer false where rclpy would raise and so end the executor.

    A second configure is enough for that: Nav2's lifecycle manager asks for one if the node has
    configured itself.
    """
    # Not a public name of rclpy's; read in its sources of Jazzy and Kilted.
    service = node._service_change_state
    change_state = service.callback

    def change_or_refuse(request: ChangeState.Request,
                         response: ChangeState.Response) -> ChangeState.Response:
        try:
            return change_state(request, response)
        except rclpy_implementation.RCLError:
            wanted = request.transition.label or request.transition.id
            node.get_logger().warning(f'transition {wanted} is not possible in this state of the '
                                      'node (ros2 lifecycle get); nothing was changed')
            response.success = False
            return response

    service.callback = change_or_refuse
