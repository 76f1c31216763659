"""
What stands in rollouts beside the conversation: kept, and nothing that is said.
"""

from __future__ import annotations

OTHER_LINES = frozenset(
    {
        "session_meta",
        "turn_context",
        "compacted",
        "world_state",
        "state",
        "inter_agent_communication",
        "inter_agent_communication_metadata",
    }
)
"""
The types of lines.
"""

OTHER_ITEMS = frozenset({"additional_tools", "agent_message", "compaction_trigger"})
"""
The types of items.
"""

# What the terminal shows of items that are there as well, and of Codex's own affairs.
OTHER_MESSAGES = frozenset(
    {
        "agent_message",
        "agent_reasoning",
        "agent_reasoning_raw_content",
        "agent_reasoning_section_break",
        "apply_patch_approval_request",
        "background_event",
        "collab_agent_interaction_begin",
        "collab_agent_interaction_end",
        "collab_agent_spawn_begin",
        "collab_agent_spawn_end",
        "collab_close_begin",
        "collab_close_end",
        "collab_resume_begin",
        "collab_resume_end",
        "collab_waiting_begin",
        "collab_waiting_end",
        "context_compacted",
        "deprecation_notice",
        "dynamic_tool_call_request",
        "dynamic_tool_call_response",
        "elicitation_request",
        "entered_review_mode",
        "exec_approval_request",
        "exec_command_begin",
        "exec_command_end",
        "exited_review_mode",
        "guardian_assessment",
        "guardian_warning",
        "hook_completed",
        "hook_started",
        "image_generation_begin",
        "image_generation_end",
        "item_completed",
        "item_started",
        "mcp_startup_complete",
        "mcp_startup_update",
        "mcp_tool_call_begin",
        "mcp_tool_call_end",
        "model_reroute",
        "model_verification",
        "patch_apply_begin",
        "patch_apply_end",
        "patch_apply_updated",
        "plan_update",
        "raw_response_item",
        "request_permissions",
        "request_user_input",
        "session_configured",
        "shutdown_complete",
        "sub_agent_activity",
        "terminal_interaction",
        "thread_goal_updated",
        "thread_settings_applied",
        "turn_diff",
        "undo_completed",
        "undo_started",
        "view_image_tool_call",
        "warning",
        "web_search_begin",
        "web_search_end",
    }
)
"""
The types of events.
"""
