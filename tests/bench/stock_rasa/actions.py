"""The baseline's one custom action, for Rasa's own action server: an answer out of a dict."""

from rasa_sdk import Action

ANSWERS = {
    "who_sent": "This message came from Agrest Moda, agrest.example.",
    "opt_out": "You will get no more messages from Agrest Moda.",
    "human": "A colleague will write to you.",
}
ANYTHING_ELSE = "Please say whether you want to know who wrote, to stop, or to talk to somebody."


class ActionAnswer(Action):
    def name(self):
        return "action_answer"

    async def run(self, dispatcher, tracker, domain):
        dispatcher.utter_message(text=ANSWERS.get(tracker.get_intent_of_latest_message(), ANYTHING_ELSE))
        return []
