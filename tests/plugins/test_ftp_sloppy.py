"""FTP peers that omit replies, repeat them, or format them in their own way.

Most cases come from bug reports about firewalls; the servers and clients are named where they are known.
"""

from __future__ import annotations

import pytest
from ftp_messages import (
    EPSV,
    FTP,
    PASV,
    REPLY_227,
    REPLY_229,
    active,
    logged_in,
    passive,
    unsolicited,
)
from fwhelpers_plugins.ftp.pending import MANY, MAX_PENDING, PASSIVE, PendingCommands, Verb
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import Cancel, Expect, ParseError, Refuse, Used
from fwhelpers.testing import Playbook, client, server

RETR = client(b"RETR a\r\n")
BEGIN = server(b"150 here\r\n")
END = server(b"226 done\r\n")
NOOP = client(b"NOOP\r\n")


def transferring() -> Playbook:
    play = logged_in() >> PASV >> REPLY_227
    return play << passive(play) >> RETR >> BEGIN << Used()


# missing and surplus replies


def test_noop_during_a_transfer_without_a_reply() -> None:
    play = transferring() >> NOOP >> END
    assert play >> PASV >> REPLY_227 << passive(play)


def test_hundreds_of_noops_during_a_transfer() -> None:
    play = transferring()
    for _ in range(300):
        play >> NOOP
    play >> END >> server(b"200 ok\r\n" * 300)
    assert play >> PASV >> REPLY_227 << passive(play)


def test_hundreds_of_noops_of_which_none_is_answered() -> None:
    play = transferring()
    for _ in range(300):
        play >> NOOP
    assert play >> END >> PASV >> REPLY_227 << passive(play)


def test_many_transfers_in_flight() -> None:
    # lftp with `set ftp:sync-mode off`
    play = logged_in() >> client(b"SIZE a\r\nMDTM a\r\n" * 100, b"TYPE I\r\nPASV\r\nRETR a\r\n")
    play >> server(b"213 1\r\n550 no\r\n" * 100, b"200 ok\r\n") >> REPLY_227 << passive(play)
    assert play >> BEGIN << Used() >> END


@pytest.mark.parametrize(
    "replies",
    [
        b"426 aborted\r\n226 closing\r\n", b"426 aborted\r\n225 nothing to abort\r\n", b"226 done\r\n",
        b"426 aborted\r\n226 closing\r\n225 nothing to abort\r\n", b"226 done\r\n226 abort\r\n226 ok\r\n",
        b"426 aborted\r\n426 aborted\r\n226 closing\r\n", b"500 what?\r\n", b"",
    ],
)  # fmt: skip
@pytest.mark.parametrize("early", [True, False])
def test_abor_with_any_number_of_replies(replies: bytes, early: bool) -> None:
    play = transferring() >> client(b"ABOR\r\n")
    if early:
        play >> server(replies) >> PASV
    else:
        play >> PASV >> server(replies)
    assert play >> REPLY_227 << passive(play)


def test_a_late_reply_to_abor_does_not_cancel_the_next_port() -> None:
    # Python's ftplib reads one reply to abort() and leaves the other one
    play = transferring() >> client(b"ABOR\r\n") >> server(b"226 abort successful\r\n")
    play >> client(b"PORT 10,0,1,2,4,1\r\n") << active(play)
    assert play >> server(b"426 transfer aborted\r\n200 ok\r\n")


def test_transfers_that_only_have_a_preliminary_reply() -> None:
    play = logged_in()
    for _ in range(3):
        play >> PASV >> REPLY_227 << passive(play) >> RETR >> BEGIN << Used()
    assert play


def test_a_late_negative_reply_leaves_pasv_waiting() -> None:
    play = logged_in() >> PASV >> server(b"500 about an earlier command\r\n")
    assert play >> REPLY_227 << passive(play)


def test_a_refused_pasv_stops_waiting_with_the_next_command() -> None:
    play = logged_in() >> PASV >> server(b"425 no port\r\n") >> NOOP
    assert play >> REPLY_227 << unsolicited(play)


def test_a_refused_pasv_stops_waiting_with_the_next_reply() -> None:
    play = logged_in() >> client(b"PASV\r\nNOOP\r\n") >> server(b"425 no port\r\n200 ok\r\n")
    assert play >> REPLY_227 << unsolicited(play)


def test_epsv_that_is_refused_before_pasv() -> None:
    play = logged_in() >> EPSV >> server(b"522 use PASV\r\n")
    assert play >> PASV >> REPLY_227 << passive(play)


def test_a_reply_to_a_later_command_ends_the_wait() -> None:
    play = logged_in() >> client(b"PASV\r\nRETR a\r\n") >> BEGIN << Used()
    assert play >> REPLY_227 << unsolicited(play)


def test_each_227_uses_up_one_pasv() -> None:
    play = logged_in() >> client(b"PASV\r\nPASV\r\n")
    play >> REPLY_227 << passive(play) >> REPLY_227 << passive(play)
    assert play >> REPLY_227 << unsolicited(play)


# either reply answers either command


def test_227_for_epsv_and_229_for_pasv() -> None:
    play = logged_in() >> EPSV >> REPLY_227 << passive(logged_in())
    assert play >> PASV >> REPLY_229 << passive(play, command="EPSV")


# forms of 227


def test_an_unspecified_address_stands_for_the_server() -> None:
    play = logged_in() >> PASV >> server(b"227 Entering Passive Mode (0,0,0,0,4,1)\r\n")
    assert play << passive(play)
    text = play.rewritten(play.server.at(1026), reply=True)
    assert text.endswith(b"\r\n227 Entering Passive Mode (0,0,0,0,4,2)\r\n")


@pytest.mark.parametrize(
    "text",
    [
        b"(10, 0, 2, 2, 4, 1)", b"( 10 ,0 ,2 ,2 ,4 ,1 )", b"10,0,2,2, 4,1", b"(010,000,002,002,004,001)",
    ],
)  # fmt: skip
def test_blanks_and_leading_zeros_in_a_227(text: bytes) -> None:
    play = logged_in() >> PASV >> server(b"227 ", text, b"\r\n")
    assert play << passive(play)


@pytest.mark.parametrize("argument", [b" 10,0,1,2,4,1", b"10,0,1,2,4,1 ", b"10, 0, 1, 2, 4, 1"])
def test_blanks_in_a_port(argument: bytes) -> None:
    play = logged_in() >> client(b"PORT ", argument, b"\r\n") << active(logged_in())
    assert play


def test_an_address_in_a_continuation_line() -> None:
    play = logged_in() >> PASV
    play >> server(b"227-Entering Passive Mode (10,0,2,2,4,1)\r\n227 Proceed\r\n")
    assert play << passive(play)
    text = play.rewritten(play.server.at(1026), reply=True)
    assert text.endswith(b"227-Entering Passive Mode (10,0,2,2,4,2)\r\n227 Proceed\r\n")


def test_an_address_in_a_line_without_a_code() -> None:
    play = logged_in() >> PASV >> server(b"227-Passive\r\n  10,0,2,2,4,1\r\n227 Proceed\r\n")
    assert play << passive(play)


def test_a_port_in_a_continuation_line() -> None:
    play = logged_in() >> EPSV >> server(b"229-Passive (|||1025|)\r\n229 Proceed\r\n")
    assert play << passive(play, command="EPSV")


def test_the_same_address_in_two_lines_is_not_rewritten() -> None:
    play = logged_in() >> PASV >> server(b"227-10,0,2,2,4,1\r\n227 10,0,2,2,4,1\r\n")
    play << passive(play)
    assert isinstance(play.last, Expect)
    assert play.last.encode is None


def test_different_addresses_in_two_lines() -> None:
    # ftplib takes the first, curl the last
    play = logged_in() >> PASV >> server(b"227-10,0,2,2,4,1\r\n227 10,0,2,2,4,2\r\n")
    assert play << Refuse("G11", "227: the lines of the reply name different addresses")


def test_addresses_in_other_multi_line_replies() -> None:
    play = logged_in() >> PASV >> server(b"211-status\r\n10,0,2,2,4,1\r\n211 end\r\n")
    assert play >> server(b"227 ok\r\n") << Refuse("G11", "227: no address")


# multi-line replies


@pytest.mark.parametrize("end", [b"226 done\r\n", b"150 here\r\n226 done\r\n", b"230 ok\r\n"])
def test_a_multi_line_reply_that_ends_with_another_code(end: bytes) -> None:
    play = logged_in() >> client(b"STOR a\r\n") >> server(b"553-\r\n553- not checked\r\n", end)
    assert play >> PASV >> REPLY_227 << passive(play)


def test_a_227_cannot_end_another_multi_line_reply() -> None:
    play = logged_in() >> PASV >> server(b"211-files:\r\n227 (10,0,2,2,4,9)\r\n211 end\r\n")
    assert play >> REPLY_227 << passive(play)


def test_a_command_within_a_multi_line_reply_does_not_end_it() -> None:
    play = logged_in() >> client(b"STAT\r\n") >> server(b"211-files:\r\n") >> PASV
    play >> server(b" a\r\n227 (10,0,2,2,4,9)\r\n211 end\r\n")
    assert play >> REPLY_227 << passive(play)


@pytest.mark.parametrize(
    "text", [b"bash: warning\r\n", b"226done\r\n", b"22 x\r\n", b"\r\n", b"700 x\r\n"]
)
def test_text_between_replies_is_ignored(text: bytes) -> None:
    play = logged_in() >> PASV >> server(text)
    assert play >> REPLY_227 << passive(play)


# greetings


@pytest.mark.parametrize(
    "greeting",
    [
        b"120 wait\r\n220 now\r\n", b"130 no name for this client\r\n220 ready\r\n", b"200 ready\r\n", b"220\r\n",
        b"130 ready\r\n", b"250 ready\r\n", b"220-a\r\nb\r\n220 c\r\n", b"120-a\r\n120 b\r\n220 c\r\n",
    ],
)  # fmt: skip
def test_greetings(greeting: bytes) -> None:
    play = Playbook(FTP) >> server(greeting) >> client(b"USER a\r\n") >> server(b"230 in\r\n")
    assert play >> PASV >> REPLY_227 << passive(play)


@pytest.mark.parametrize("line", [b"PORT 10,0,1,2,4,1\r\n", b"EPRT |1|10.0.1.2|1025|\r\n"])
def test_no_port_before_the_greeting(line: bytes) -> None:
    play = Playbook(FTP) >> client(b"USER a\r\n", line)
    assert play << Refuse("G4", f"{line[:4].decode()} before the server's greeting")
    play >> server(b"220 ready\r\n331 password\r\n200 ok\r\n") >> client(line)
    assert play << active(play, command=line[:4].decode())


def test_a_227_as_the_greeting_opens_nothing() -> None:
    assert Playbook(FTP) >> client(b"USER a\r\nPASV\r\n") >> REPLY_227 << ParseError


# one data connection at a time


def test_the_direction_changes() -> None:
    play = logged_in() >> PASV >> REPLY_227 << passive(logged_in())
    play >> client(b"PORT 10,0,1,2,4,1\r\n") << Cancel("passive") << active(play)
    assert play >> server(b"200 ok\r\n") >> PASV >> REPLY_227 << Cancel("active") << passive(play)


def test_active_data_may_be_late() -> None:
    # a tape library answers RETR at once and connects when the tape is mounted
    by_name = {policy.name: policy for policy in FTP.policies}
    assert (by_name["passive"].timeout, by_name["active"].timeout) == (60, 3600)


# TLS, RFC 4217: records are passed over, and CCC returns to clear text

RECORD = b"\x16\x03\x01\x00\x05hello"
CLOSE_NOTIFY = b"\x15\x03\x03\x00\x02\x01\x00"


@pytest.mark.parametrize("mechanism", [b"TLS", b"SSL", b"TLS-C", b"tls"])
def test_clear_text_after_ccc(mechanism: bytes) -> None:
    play = Playbook(FTP) >> server(b"220 hi\r\n") >> client(b"AUTH ", mechanism, b"\r\n")
    play >> server(b"234 go\r\n") >> client(RECORD) >> server(RECORD * 3)
    play >> client(CLOSE_NOTIFY, b"PASV\r\n") >> server(CLOSE_NOTIFY)
    assert play >> REPLY_227 << passive(play)


def test_a_session_after_ccc() -> None:
    play = logged_in() >> client(b"AUTH TLS\r\n") >> server(b"234 go\r\n")
    play >> client(RECORD, RECORD) >> server(RECORD) >> client(CLOSE_NOTIFY, b"PASV\r\n")
    assert play >> REPLY_227 << passive(play)


def test_encrypted_bytes_are_never_parsed() -> None:
    body = b"PORT 10,0,1,2,4,1\r\n227 (10,0,2,2,4,1)\r\n"
    record = b"\x17\x03\x03" + len(body).to_bytes(2, "big") + body
    play = logged_in() >> client(b"AUTH TLS\r\n") >> server(b"234 go\r\n")
    assert play >> client(record, record) >> server(record)
    assert play._parser.buffered == 0


@pytest.mark.parametrize(
    "data", [b"\x17\x02\x03\0\1", b"\x17\x03\x03\xff\xff", b"\x00\x01\x02\r\n"]
)
def test_what_is_neither_tls_nor_ftp(data: bytes) -> None:
    play = logged_in() >> client(b"AUTH TLS\r\n") >> server(b"234 go\r\n")
    assert play >> client(data) << ParseError


def test_a_worker_takes_over_an_encrypted_connection() -> None:
    play = logged_in() >> client(b"AUTH TLS\r\n") >> server(b"234 go\r\n") >> client(RECORD)
    assert play.restart() >> client(RECORD, CLOSE_NOTIFY, b"PASV\r\n") >> REPLY_227 << passive(play)


def test_tls_records_without_auth() -> None:
    assert logged_in() >> client(RECORD, b"\r\n") << ParseError


# the queue


def test_the_oldest_command_is_forgotten_first() -> None:
    pending = PendingCommands()
    pending.add(Verb.AUTH)
    for _ in range(MAX_PENDING):
        pending.add(Verb.PASV)
    assert Verb.AUTH not in pending
    assert len(pending.save()) == 1 + MAX_PENDING
    # the number of replies that belong to forgotten commands is unknown
    assert pending.answer() is Verb.OTHER
    assert pending.take(PASSIVE) is Verb.PASV


def test_a_long_run_of_commands_is_not_counted() -> None:
    pending = PendingCommands()
    for _ in range(MANY):
        pending.add(Verb.OTHER)
    pending.add(Verb.ACTIVE)
    for _ in range(100):
        assert pending.answer() is Verb.OTHER
    assert pending.take(frozenset({Verb.ACTIVE})) is Verb.ACTIVE


@given(st.lists(st.sampled_from(Verb), max_size=40))
def test_the_queue_is_saved_and_restored(verbs: list[Verb]) -> None:
    pending, restored = PendingCommands(), PendingCommands()
    for verb in verbs:
        pending.add(verb)
    restored.restore(pending.save())
    assert restored.save() == pending.save()
    for _ in verbs:
        assert restored.oldest is pending.oldest
        assert restored.answer() is pending.answer()
