"""What crosses between the examiner (trusted) and a student's process (not trusted), and how.

channel   frames over a socket, with caps and deadlines
codec     values as plain data and buffers; nothing is ever unpickled
peer      requests and answers, nested as calls are
agent     the student's side: looks names up, calls functions, keeps objects
student   the examiner's side: names, functions and objects of the student's as proxies
"""
