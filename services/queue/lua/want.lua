-- Ask gateways for payloads that they have in memory alone. A: lines, by the list of a gateway (wanted.py).

send(A.lines)
