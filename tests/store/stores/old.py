print("a script of before")
