"""What the bot can talk about, one topic a file. Reads through services, decides, writes nothing."""

from __future__ import annotations

from collections.abc import Mapping

from actions import (
    account,
    case_status,
    history,
    opt_in,
    opt_out,
    policy,
    proof,
    rights,
    scam,
    talk,
    who_sent,
)
from bot.services.respond import Topic

FAQ = [
    "role",
    "retention",
    "legal_basis",
    "dpo",
    "contact",
    "data_categories",
    "recipients",
    "transfers",
    "security",
    "cookies",
    "automated_decisions",
    "authority",
    "policy",
    "social_media",
]

RIGHTS = [
    "rights_access",
    "rights_rectification",
    "rights_erasure",
    "rights_restriction",
    "rights_portability",
    "rights_objection",
    "rights_withdraw_consent",
    "rights_terminate_contract",
]

TOPICS: Mapping[str, Topic] = {
    "who_sent": who_sent.who_sent,
    "who_sent_client": who_sent.chosen,
    "number_source": who_sent.number_source,
    "prove_number": proof.number,
    "number_proof": proof.proven,
    "prove_account": account.named,
    "account_proof": account.proven,
    "account_by_hand": account.by_hand,
    "history": history.listed,
    "opt_out": opt_out.opt_out,
    "opt_out_unsure": opt_out.unsure,
    "opt_out_how": opt_out.how,
    "opt_out_near": opt_out.near,
    "opt_out_stands": opt_out.stands,
    "opt_in": opt_in.opt_in,
    **dict.fromkeys(RIGHTS, rights.request),
    "rights_menu": rights.menu,
    "rights_forward": rights.forward,
    "rights_contact": rights.contact,
    "rights_ours": rights.ours,
    "rights_client": rights.direct_client,
    "spoken_for": rights.spoken_for,
    "case_status": case_status.case_status,
    "case_tell_me": case_status.tell_me,
    **{f"faq/{name}": policy.answer for name in FAQ},
    "faq/bot": talk.about_bot,
    "report_scam": scam.report,
    "human": talk.human,
    "back_to_bot": talk.back_to_bot,
    "help": talk.help_,
    "language": talk.language,
    "greet": talk.greet,
    "chat_opened": talk.chat_opened,
    "contact_shared": talk.contact_shared,
    "contact_refused": talk.contact_refused,
    "thanks": talk.thanks,
    "goodbye": talk.thanks,
    "affirm": talk.nothing_asked,
    "deny": talk.declined,
    "did_you_mean": talk.did_you_mean,
    "not_understood": talk.not_understood,
    "not_read": talk.not_read,
}
"""Every wish there is, with the topic that answers it. One not listed would be a fault of ours, not silence."""
